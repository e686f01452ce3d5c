"""The engines behind the ports. Each loads lazily: importing this package loads none of them."""
