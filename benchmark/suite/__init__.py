"""What is taught: suites, their concepts, and the pictures of these."""
