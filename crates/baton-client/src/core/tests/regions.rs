//! Stories of locks of parts: several grants, one ticket, who may edit where.
