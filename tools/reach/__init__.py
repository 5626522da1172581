"""Compute which machines can reach which in a VPC, from AWS's description of it.

`python -m tools.reach VPC_ID --devices CIDR [--admin CIDR]` prints the matrix of a real deployment.
"""
