"""The parts that the test cluster's commands are made of."""
