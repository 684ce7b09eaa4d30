#include "storage/settings_store.hpp"

#include "storage/array.hpp"

namespace rowlock::storage {

constexpr statement tell_settings_statement{"tell_settings", "select tell_settings_1($1::text[], $2::text[])"};

void tell_settings(session& s, const std::vector<told_setting>& settings)
{
    array names(array::element::text);
    array values(array::element::text);
    for (const auto& [name, value] : settings) {
        names.add(std::string_view(name));
        values.add(std::string_view(value));
    }
    s.exec(tell_settings_statement, names.parameter(), values.parameter());
}

}
