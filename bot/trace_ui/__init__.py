"""What people see of traces in Slack: `/trace`, its buttons, and the Home tab."""
