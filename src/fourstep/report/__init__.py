"""A run as a page for a browser: `report.html` in its folder, and a page that compares several runs."""
