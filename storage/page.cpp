#include "storage/page.hpp"

namespace rowlock::storage {

page page_of(const pqxx::result& rows, int limit)
{
    page found;
    for (const auto& row : rows) {
        if (static_cast<int>(found.items.size()) == limit) {
            found.next = rows[static_cast<pqxx::result::size_type>(limit - 1)][1].c_str();
            break;
        }
        found.items.emplace_back(row[0].c_str());
    }
    return found;
}

}
