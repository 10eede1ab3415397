"""A job that takes memory until it is ended, or has 6 GiB."""
taken = []
for _ in range(6 << 6):
    taken.append(bytearray(b"x" * (16 << 20)))
print("nothing bounds my memory")
