"""Remote receivers: brokers, collectors, search engines, databases, object stores."""
