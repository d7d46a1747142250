"""Records of analyses and access to them.

`model` has the data, `store` the rules of every store; `sql` and `supabase` are two stores.
"""
