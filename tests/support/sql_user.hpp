#pragma once

#include <pqxx/pqxx>
#include <string>

namespace rowlock::test {

// What a statement of a user was refused with.
struct refused {
    std::string state;                   // SQLSTATE; "" where it was not refused
    std::string told;                    // message, detail and hint
};

// A session of somebody who may call the functions for users, and nothing else.
class sql_user {
public:
    explicit sql_user(const std::string& database_url);

    // The first column of the first row; "" for null, and where there is no row.
    std::string value(const std::string& sql) { return value_of(run(sql)); }
    pqxx::result run(const std::string& sql) { return pqxx::nontransaction(session_).exec(sql); }
    refused try_to(const std::string& sql);

private:
    static std::string value_of(const pqxx::result& rows) { return rows.empty() ? std::string() : rows[0][0].c_str(); }

    pqxx::connection session_;
};

}
