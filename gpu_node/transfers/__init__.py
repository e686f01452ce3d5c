"""Files over links: fetched in as many pieces as the network makes of it, sent until kept.

What is said of a file here (fetched, lost, damaged, away) does not depend on the way that it takes:
`https` follows signed URLs, `sftp` logs in to the main server. The link's scheme decides.
"""
