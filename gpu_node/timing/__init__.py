"""When each line is said. Pure: values in, values out."""
