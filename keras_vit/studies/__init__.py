"""Several models measured and compared, and the reports about them."""
