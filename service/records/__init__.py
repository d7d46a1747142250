"""What is kept of analyses, and who may see it.

`model` has the rows, `store` what any place to keep them must do; `sql` and `supabase` are two.
"""
