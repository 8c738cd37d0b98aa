"""What an organisation demands of its mail servers, judged on records; waivers, and reports of the findings."""
