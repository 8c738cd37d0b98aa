"""One sweep, from the target texts to the balanced ledger: plan, pipeline, state, records, summary."""
