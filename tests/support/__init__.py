"""What tests of several rooms need: private servers, mostly."""
