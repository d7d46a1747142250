"""Files of people: uploads, and the copies that browsers play."""
