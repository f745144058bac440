"""What turns figures into something to look at: pages, drawings and cards."""
