"""The families of front ends: for each its addresses, what its requests ask of services, and its dialect at a door."""
