"""Jobs on other machines: a snapshot of the project goes to a bucket, a job runs it, and its results come back."""
