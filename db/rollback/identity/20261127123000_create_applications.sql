-- What is lost: all applications with their secrets and consents, browsers that are signed in, codes and gadgets that are under way.
drop procedure forget_old_authorizations, ask_for_device;
drop function poll_device_request, decide_device_request, find_device_request, find_authorization_code, find_browser_session, is_application_secret, find_application;
drop table device_requests, authorization_codes, browser_sessions, consents, application_secrets, applications;
drop function end_application;
