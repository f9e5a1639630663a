"""Networks compared, step by step: what is measured of each, how it is drawn, and the sentences that say it."""
