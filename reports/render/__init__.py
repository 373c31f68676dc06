"""How a view is shown: `render(view)`, and nothing that reads or writes."""
