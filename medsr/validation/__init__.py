"""Results measured against scans whose truth is known: trials, baselines, findings, hallucination tests, reports."""
