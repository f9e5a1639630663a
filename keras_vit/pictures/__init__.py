"""All drawing, in one style; numbers come as arrays, pictures go to files."""
