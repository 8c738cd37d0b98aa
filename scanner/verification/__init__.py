"""A fresh look at what a sweep found: fixed, or not, and the evidence."""
