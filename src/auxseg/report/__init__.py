"""Pictures and pages that show what trained systems do."""
