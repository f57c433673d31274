"""Whether methods keep the contract, and whether results are still what they were."""
