#pragma once

#include "storage/model/ids.hpp"
#include "storage/model/time.hpp"

#include <cstdint>
#include <optional>
#include <pqxx/binarystring>
#include <string>
#include <string_view>

namespace rowlock::storage {

// PostgreSQL's binary array format, one dimension: what a batch statement takes for each column. Reused from batch to batch, so
// that a batch allocates nothing once the buffer has grown.
class array {
public:
    // Object ids of the element types (pg_type).
    enum class element : std::uint32_t { int2 = 21, int4 = 23, int8 = 20, text = 25, json = 114, uuid = 2950, timestamptz = 1184 };

    explicit array(element type);

    void clear();
    std::int32_t size() const { return count_; }

    void add(std::int16_t value);
    void add(std::int32_t value);
    void add(std::int64_t value);
    void add(std::string_view value);
    void add(const execution_id& value);
    void add(timestamp value);
    void add_null();
    void add_infinity(bool negative);

    // Empty text is null: the columns that take it have no empty values.
    void add_text_or_null(std::string_view value) { value.empty() ? add_null() : add(value); }
    template <class T>
    void add(const std::optional<T>& value)
    {
        value ? add(*value) : add_null();
    }

    // The parameter, valid until the next change.
    pqxx::binarystring parameter();
    // The same without the nulls at its end, for statements to which shorter arrays stand for nulls: PostgreSQL goes through every element, and most
    // columns of a batch have nothing in them.
    pqxx::binarystring column();

private:
    void length(std::uint32_t bytes);
    pqxx::binarystring first(std::int32_t count, std::size_t bytes, bool nulls);
    void put32(std::uint32_t value);
    void put64(std::uint64_t value);

    element type_;
    std::int32_t count_ = 0;
    std::int32_t nulls_ = 0;
    std::int32_t last_nulls_ = 0;         // of them: those at the end
    std::string bytes_;
};

}
