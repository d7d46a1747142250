"""Store of records in a Supabase project (deploy/supabase/migrations)."""
