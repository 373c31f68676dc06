"""Write replies, stream them while they grow, and deliver them."""
