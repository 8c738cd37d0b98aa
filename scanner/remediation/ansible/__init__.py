"""An Ansible playbook that carries out the plans on the hosts of a sweep."""
