-- What is lost: how many metrics each person has ever declared; counting begins anew.
drop table declared_metrics;
