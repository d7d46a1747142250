"""Records in the tables of deploy/supabase/migrations."""
