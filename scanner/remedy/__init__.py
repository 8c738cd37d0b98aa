"""The life of a finding after detection: plans, playbooks, proof, and what the mail logs say."""
