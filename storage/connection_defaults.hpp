#pragma once

#include <string>

namespace rowlock::storage {

// The connection string with bounds on how long a host that has vanished is waited for: 5 s to connect (per host; PGCONNECT_TIMEOUT goes
// first), 10 s for data that nobody acknowledges (tcp_user_timeout), and probes of a silent connection that end it after 25 s (keepalives).
// What the string says itself stays. Takes both forms, postgresql://... and "host=... dbname=..."; one that libpq does not understand is
// returned as it is, for libpq to refuse. The last three mean nothing on a unix socket.
std::string with_connection_defaults(const std::string& url);

// Does libpq understand it?
bool is_connection_string(const std::string& url);

// Do both lead to the same database as the same user, as far as they say it themselves?
bool is_same_session(const std::string& url, const std::string& other);

}
