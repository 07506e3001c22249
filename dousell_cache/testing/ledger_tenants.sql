-- Who pays and who is visited in a chaos ledger: in an empty database with Dousell's schema.
insert into public.cities (id, name, region) values (1, 'Dakar', 'Dakar');
insert into public.owners (id, user_id, label, phone, email)
values (1, gen_random_uuid(), 'an owner', '+221 77 000 00 00', 'owner@example.org');
insert into public.properties (
  id, owner_id, city_id, neighbourhood, kind, title, description, rooms, bathrooms, area_m2, rent_xof, deposit_xof, published
)
select n, 1, 1, 'Plateau', 'studio', format('Studio %s', n), 'A studio.', 1, 1, 20, 100000, 100000, true
from generate_series(1, 100) n;
insert into public.leases (id, property_id, tenant_id, tenant_label, rent_xof, starts_on)
select n, n, gen_random_uuid(), 'a tenant', 100000, date '2000-01-01' from generate_series(1, 100) n;
