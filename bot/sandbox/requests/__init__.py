"""The arguments of a Web API call: reading, checking and paging."""
