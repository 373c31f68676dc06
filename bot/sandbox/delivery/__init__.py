"""Delivery to the app: events and questions, over Socket Mode or signed HTTP."""
