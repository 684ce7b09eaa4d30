#pragma once

#include <pqxx/pqxx>
#include <string>
#include <vector>

namespace rowlock::test {

// The rows of one statement, with the schema in the search path.
inline pqxx::result rows_at(const std::string& database_url, const std::string& sql)
{
    pqxx::connection session(database_url);
    pqxx::work work(session);
    work.exec("set local search_path = rowlock");
    auto rows = work.exec(sql);
    work.commit();
    return rows;
}

// What violations() says: empty where all is well.
inline std::vector<std::string> violations_at(const std::string& database_url)
{
    std::vector<std::string> told;
    for (const auto& row : rows_at(database_url, "select rule || ': ' || detail from violations() limit 20")) told.push_back(row[0].c_str());
    return told;
}

}
