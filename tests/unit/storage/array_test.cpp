#include "storage/array.hpp"

#include <catch2/catch.hpp>

using namespace rowlock;
using storage::array;

namespace {

std::string bytes_of(const pqxx::binarystring& p)
{
    return std::string(reinterpret_cast<const char*>(p.data()), p.size());
}

std::string bytes_of(array& a)
{
    return bytes_of(a.parameter());
}

using namespace std::string_literals;

}

TEST_CASE("an array is PostgreSQL's binary format: header, then each element with its length", "[unit][array]")
{
    array a(array::element::int4);
    a.add(std::int32_t{1});
    a.add_null();
    a.add(std::int32_t{-1});
    CHECK(bytes_of(a) == "\0\0\0\1"   // one dimension
                         "\0\0\0\1"   // with nulls
                         "\0\0\0\x17" // int4
                         "\0\0\0\3"   // three elements
                         "\0\0\0\1"   // counted from one
                         "\0\0\0\4\0\0\0\1"
                         "\xff\xff\xff\xff"
                         "\0\0\0\4\xff\xff\xff\xff"s);
}

TEST_CASE("a column is an array without the nulls at its end", "[unit][array]")
{
    array a(array::element::int4);
    array expected(array::element::int4);
    for (int i = 0; i < 3; ++i) a.add_null();
    CHECK(bytes_of(a.column()) == bytes_of(expected));

    a.add(std::int32_t{7});
    for (int i = 0; i < 3; ++i) expected.add_null();
    expected.add(std::int32_t{7});
    a.add_null();
    CHECK(bytes_of(a.column()) == bytes_of(expected));
    CHECK(a.size() == 5);

    a.clear();
    expected.clear();
    a.add(std::int32_t{7});
    expected.add(std::int32_t{7});
    a.add_null();
    CHECK(bytes_of(a.column()) == bytes_of(expected));   // says that it has no nulls
}

TEST_CASE("times count microseconds from the year 2000", "[unit][array]")
{
    array a(array::element::timestamptz);
    a.add(timestamp{std::chrono::seconds{946'684'800} + std::chrono::microseconds{1}});
    CHECK(bytes_of(a).substr(20) == "\0\0\0\x8\0\0\0\0\0\0\0\1"s);
}

TEST_CASE("a cleared array is empty, and has no nulls any more", "[unit][array]")
{
    array a(array::element::text);
    a.add_text_or_null("");
    a.clear();
    a.add(std::string_view("x"));
    CHECK(a.size() == 1);
    CHECK(bytes_of(a).substr(4, 4) == "\0\0\0\0"s);
}
