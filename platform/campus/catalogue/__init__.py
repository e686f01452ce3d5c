"""What everybody may see: the courses on sale."""
