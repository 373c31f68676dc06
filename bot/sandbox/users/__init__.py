"""The actions of the people in the workspace, and the view that tests have of it."""
