"""What follows from a finding: plans for each product, Ansible playbooks, the review of Sendmail's configuration."""
