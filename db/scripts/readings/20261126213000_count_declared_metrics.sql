-- How many metrics a person has ever declared. series_id is one sequence for everybody and gives no number twice, so
-- declaring and deleting in turns would use it up for all: a person has a share of it, for good (decision 0041).
create table declared_metrics (
    user_id uuid primary key default app_user_id(),
    declared int not null
);
call own_rows('declared_metrics');
