#pragma once

#include <pqxx/result>
#include <string>
#include <vector>

namespace rowlock::storage {

// A page of a list: JSON objects, and where the next page begins.
struct page {
    std::vector<std::string> items;
    std::string next;            // "" = there is no more
};

// The page that a statement gave: its rows are JSON text and cursor, one row more than `limit` where there is a further page.
page page_of(const pqxx::result& rows, int limit);

}
