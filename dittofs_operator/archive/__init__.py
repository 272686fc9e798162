"""Archives of a DittoFS: everything it keeps on its claims, as checked parts in a folder or a bucket."""
