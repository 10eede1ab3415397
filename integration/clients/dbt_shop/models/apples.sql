select 1 as id, 'boskop' as kind union all select 2, 'gala'
