"""Records in the tables of supabase/migrations."""
