"""The same as an Ansible playbook, made from the records of a sweep."""
