select count(*) as apples from {{ ref('apples') }}
