#pragma once

#include "tests/support/server_process.hpp"

#include <boost/json/object.hpp>
#include <stdexcept>

namespace rowlock::test {

// A server that wants tokens, on a database of its own, and the tokens for it.
struct guarded_server {
    test_database database;
    server_process server{{"serve", "--database", database.url()}};
    std::string admin = make_admin_token(database.url());

    static http_fields with(const std::string& token) { return {{"Authorization", "Bearer " + token}}; }
    http_fields as_admin() const { return with(admin); }

    // Throws unless it is made.
    std::string token(const std::string& role, const std::string& tenant) const
    {
        const auto reply = server.post("/v1/tokens", boost::json::object{{"role", role}, {"tenant_id", tenant}, {"name", role + " of " + tenant}}, as_admin());
        if (reply.status != 201 || !reply.json().as_object().contains("token_id")) throw std::runtime_error("no token was made: " + reply.body);
        return text_at(reply.json(), "/token");
    }
    http_fields as(const std::string& role, const std::string& tenant) const { return with(token(role, tenant)); }
};

}
