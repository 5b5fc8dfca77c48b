"""Conversations with the demo model and what it must propose or say; orders wait until "<ok>"."""

import pytest

from tests.support.fake_shop import FakeShop, failed, offer, offered
from tests.support.wordings import each

# What is said, and for whom what waits then: "Tom 2x3" are three of product 2 for Tom.
ORDERS = [
    ("给小明来一打充电宝", "小明 3x12"),
    ("李四要半打耳机", "李四 2x6"),
    ("buy half a dozen of product 3 for Tom", "Tom 3x6"),
    ("给张三买 500 个耳机|改成48个", "张三 2x48"),
    ("buy a couple of headphones for Tom", "Tom 2x2"),
    ("a pair of watches for Tom please", "Tom 1x2"),
    ("客户B要一对手表", "客户B 1x2"),
    ("买一对耳机给Tom", "Tom 2x1"),
    ("幫客戶A買兩個耳機", "客戶A 2x2"),
    ("来俩耳机|我叫赵六", "赵六 2x2"),
    ("来个耳机吧，我叫小李", "小李 2x1"),
    ("帮我给王芳下单：无线蓝牙耳机Pro*1，便携式移动电源*2", "王芳 2x1 3x2"),
    ("I want to buy 耳机 x2 给 John", "John 2x2"),
    ("buy 2 headfones for Tom", "Tom 2x2"),
    ("Tom wants a watch and 2 power banks", "Tom 1x1 3x2"),
    ("给Tom买耳机和手表各一个", "Tom 1x1 2x1"),
    ("one of each for Tom", "Tom 1x1 2x1 3x1 4x1"),
    ("buy the cheapest thing for Zed", "Zed 3x1"),
    ("我要买最贵的，给老王", "老王 4x1"),
    ("buy 3 headphones for Tom and 1 watch for Anna", "Tom 2x3 / Anna 1x1"),
    ("给张三买2个耳机，给李四买一个手表", "张三 2x2 / 李四 1x1"),
    ("帮客户A和客户B各买一个耳机", "客户A 2x1 / 客户B 2x1"),
    ("what do you sell?|I'll take the second one for Tom", "Tom 2x1"),
    ("有哪些商品？|第二个来三个，给小王", "小王 2x3"),
    ("what do you sell?|the cheaper one|I'd like 1 for Gina", "Gina 3x1"),
    ("哪个最便宜|那就来两个吧|张三", "张三 3x2"),
    ("buy 2 headphones for Tom, no wait, 3", "Tom 2x3"),
    ("买2个耳机给Tom，不对，是3个", "Tom 2x3"),
    ("買兩個耳機給小明，不對，三個", "小明 2x3"),
    ("运动手表三个智能手表一个降噪耳机两个|孙悦", "孙悦 1x4 2x2"),
    ("buy 2 of product 2 for Dan|make it 3", "Dan 2x3"),
    ("给小王买2个耳机、3个充电宝和1个手表|去掉耳机和手表", "小王 3x3"),
    ("买个手表|老王|改成两个", "老王 1x2"),
    ("buy 3 watches|make it 2|Tom", "Tom 1x2"),
    ("buy 2 headphones for Tom|make it for Bob instead", "Bob 2x2"),
    ("给小明买2个耳机|换成手表|换成小红", "小红 1x2"),
    ("buy 2 headphones for Tom|add a power bank", "Tom 2x2 3x1"),
    ("给小明买2个耳机|再加一个充电宝", "小明 2x2 3x1"),
    ("给小李买2个耳机和1个手表|手表不要了", "小李 2x2"),
    ("buy 3 power banks and 1 laptop for Eve|remove the power banks|make it 2", "Eve 4x2"),
    ("buy a watch for Ken|sorry, I meant Kevin", "Kevin 1x1"),
    ("我要两个手表|陈静|不对，应该是陈晶", "陈晶 1x2"),
    ("one watch and one laptop for Uma|two watches actually", "Uma 1x2 4x1"),
    ("headphones|4 for tom", "tom 2x4"),
    ("buy the second cheapest one for Ravi", "Ravi 2x1"),
    ("buy 2 headphones for Amy|<ok>|same again for Bob", "Bob 2x2"),
    ("buy 2 headphones for Tom|<ok>|another one", "Tom 2x1"),
    ("买2个耳机|小红|<ok>|再给小明来一个同样的", "小明 2x1"),
    ("给小明买2个耳机|<ok>|给小红也来一个", "小红 2x1"),
    ("帮客户A买-2个耳机", ""),
    ("帮客户A买1.5个耳机", ""),
    ("帮客户A买零个耳机", ""),
    ("买2个耳机支架给小明", ""),
    ("买两个平板电脑给小明", ""),
    ("把耳机价格改成 799", ""),
    ("buy an apple watch and a pear phone for Tom", ""),
    ("耳机两个手表三个|孙悦", "孙悦 1x3 2x2"),
    ("小王要一个手表，小张要两个耳机", "小王 1x1 / 小张 2x2"),
    ("buy the most expensive one for Rick|actually the cheapest", "Rick 3x1"),
    ("给小明买2个耳机|算了不要了", ""),
]

CHANGES = [
    ("buy 2 product 1 3 product 2 for Tom", "Tom 1x2 2x3"),
    ("buy #1 x2 #2 x3 for Tom", "Tom 1x2 2x3"),
    ("给小明买商品2两个商品1一个", "小明 1x1 2x2"),
    ("buy product 1 product 2 for Tom", ""),
    ("给小明买商品2两个商品1", ""),
    ("buy two and a half watches for Tom", ""),
    ("给小明买两个半手表", ""),
    ("buy 2½ watches for Tom", ""),
    ("buy headphones and 2 watches for Tom|3", "Tom 1x2 2x3"),
    ("给小明买一个手表，小红买两个耳机", "小明 1x1 / 小红 2x2"),
    ("2 power banks for Joe and the same for Jim", "Joe 3x2 / Jim 3x2"),
    ("给小王买2个手表|再多一个", "小王 1x3"),
    ("buy 3 watches for Ann|one less", "Ann 1x2"),
    ("给小王买2个手表|减到一个", "小王 1x1"),
    ("给李雷买三个耳机和一个手表|把耳机换成笔记本", "李雷 1x1 4x3"),
    ("buy 3 watches for Ann|replace the watches with laptops", "Ann 4x3"),
    ("Please get Maria two laptops and a watch", "Maria 1x1 4x2"),
    ("两个手表和一个耳机多少钱|那就买吧|小乔", "小乔 1x2 2x1"),
    ("is this a good laptop?", ""),
    ("耳机和手表哪个便宜|便宜的那个来两个，给小何", "小何 2x2"),
    ("有什么卖的|最后一个来一台|给徐静", "徐静 4x1"),
    ("所有东西各来两个，客户是吴刚", "吴刚 1x2 2x2 3x2 4x2"),
    ("buy 2 watches for Tess|and throw in a power bank", "Tess 1x2 3x1"),
    ("给小林买两个手表|<ok>|再来一份，给小郑", "小郑 1x2"),
    ("buy 2 laptops for Max|too expensive, something cheaper|change it to the headphones", "Max 2x2"),
    ("买三个手表给孙权|太贵了，换便宜的|换成第一个", "孙权 3x3"),
    ("给小明买2个耳机|<ok>|再下一单", "小明 2x2"),
    ("给所有客户各买两个耳机", ""),
    # a whole order while something is asked is a new one, and what was said last counts
    ("buy 3 bicycles for Tom|给李雷买十二个充电宝", "李雷 3x12"),
    ("buy headphones for Tom|buy 2 watches for Bob", "Bob 1x2"),
    ("给每个人买一个耳机|给客户A下单：无线蓝牙耳机Pro x2，便携式移动电源 x1", "客户A 2x2 3x1"),
    ("buy 2 watches for Tom|Buy two headphones and one smart watch for Carol", "Carol 1x1 2x2"),
    ("buy headphones for Tom|3 for Bob", "Bob 2x3"),
    # 3 for two people may be 3 each or in all: it asks
    ("buy 3 watches for Tom and Bob", ""),
    ("给小明和小红买3个手表", ""),
    ("Tom and Bob want 2 watches", ""),
    ("buy 2 watches|for Tom and Bob", ""),
    ("buy 2 watches for Tom|make it for Ann and Bob", ""),
    ("buy 3 watches for Tom, Bob and Carl|yes", ""),
    ("buy 3 watches for Tom and Bob|3 in all", ""),
    ("buy 3 watches for Tom and Bob|2", "Tom 1x2 / Bob 1x2"),
    ("buy 3 watches for Tom and Bob|2 for Tom and 1 for Bob", "Tom 1x2 / Bob 1x1"),
    ("给小明和小红买3个手表|给小明两个，给小红一个", "小明 1x2 / 小红 1x1"),
    ("给小明和小红买3个手表|小明两个，小红一个", ""),
    ("buy 2 watches and 3 headphones for Tom and Bob|1 each|2 each", "Tom 1x1 2x2 / Bob 1x1 2x2"),
    ("给小明、小红和小刚买2个手表", ""),
    ("buy 3 watches for customers A and B", ""),
    ("小明和小红都要两个手表", "小明 1x2 / 小红 1x2"),
    ("buy a watch for Tom and Bob", "Tom 1x1 / Bob 1x1"),
    ("buy 2 watches|2 each for Tom and Bob", "Tom 1x2 / Bob 1x2"),
    # a further customer's wish stands beside what waits
    ("buy 2 watches for Tom|Bob wants one too", "Tom 1x2 / Bob 1x1"),
    ("给小明买2个手表|小红也要一个", "小明 1x2 / 小红 1x1"),
    ("buy 2 watches for Tom|same for Bob", "Tom 1x2 / Bob 1x2"),
    ("buy 2 headphones for Amy|<ok>|buy 3 watches for Tom|same for Bob", "Tom 1x3 / Bob 1x3"),
    ("buy 2 watches and 3 headphones for Tom|Bob wants one too", ""),
    ("buy 2 watches for Tom|another one", "Tom 1x3"),
    # another price than the shop's is asked about
    ("buy 2 watches at 1000 each for Tom", ""),
    ("buy watches at 1000 each for Tom", ""),
    ("buy 2 watches at 1000 each for Tom|ok", "Tom 1x2"),
    ("给小明买两个手表，每个1000元", ""),
    ("给小明买两个1000元的手表", ""),
    ("给小明买手表，1000块", ""),
    ("给小明买2个手表|便宜点，1000一个", ""),
    ("buy 2 watches for Tom, 1000 each", ""),
    ("buy 2 watches for Tom at 1,299 yuan", "Tom 1x2"),
    ("给小明买两个手表，一共2598元", "小明 1x2"),
    ("给张三买一块智能手表", "张三 1x1"),
    ("the 299 one for Tom, two of them", ""),
    ("给小明买两个899的", ""),
    # a number behind a name may be a part of it
    ("buy watch 2 for Tom", ""),
    ("buy MateBook 14 for Tom", ""),
    ("buy watches 2 for Tom", "Tom 1x2"),
    ("我要2个手表3个耳机，客户是5号店", "5号店 1x2 2x3"),
    ("客户是7天酒店，买两个手表", "7天酒店 1x2"),
    ("客户12要两个耳机", "客户12 2x2"),
    # a yes after another question does not take up what waits, but asks
    ("buy 2 watches for Tom|do you have headphones?|ok", ""),
    ("buy 2 watches for Tom|who bought most?|yes", ""),
    ("buy 2 watches for Tom|do you have headphones?|ok|ok", "Tom 1x2"),
    ("buy 2 watches for Tom|do you have headphones?|buy it", ""),
    ("给小明买2个手表|有耳机吗|好的", ""),
    ("给小明买2个手表|有耳机吗|下单吧", ""),
    ("buy 2 watches for Tom|how much is that?|ok", "Tom 1x2"),
    ("buy 2 watches for Tom and 3 headphones for Bob|cancel Bob's", "Tom 1x2"),
    ("给小明买2个手表，给小红买3个耳机|小红的不要了", "小明 1x2"),
    ("buy 2 watches for Tom and 3 headphones for Bob|Tom wants 4", "Tom 1x4 / Bob 2x3"),
    ("buy 2 watches for Tom|no thanks, 3", "Tom 1x3"),
    ("Tom: 2 watches", "Tom 1x2"),
    ("Total: 2 watches", ""),
    ("buy 2 headphones for Tom but don't buy the watch", "Tom 2x2"),
    ("buy 2 headphones 1 watch for Tom", "Tom 1x1 2x2"),
    ("buy a watch and 2 headphones|the watch for Tom, the headphones for Bob", "Tom 1x1 / Bob 2x2"),
    ("给小明买耳机和手表|各两个|三个", "小明 1x3 2x2"),
    ("buy 2 no 3 headphones for Tom", "Tom 2x3"),
    ("给小明买两个，不，三个耳机", "小明 2x3"),
    ("第二个来三个，给小王|2", "小王 2x3"),
    # between two numbers it asks
    ("给小明买两三个手表", ""),
    ("buy 2 or 3 watches for Tom", ""),
    ("buy 2-3 watches for Tom", ""),
    ("twenty-one power banks for Omar", "Omar 3x21"),
    ("buy headphones for Tom, not the watch, 2 please", "Tom 2x2"),
    ("buy 5 watches for Tom|not watches, headphones", "Tom 2x5"),
    ("buy 3 watches for Tom|remove 1", "Tom 1x2"),
    ("buy product no. 3 for Tom, 2 pieces", "Tom 3x2"),
    # a price is no count, a share no total, what was bought is not bought again, and what is unclear is asked
    ("buy the 1299 yuan watch for Tom", ""),
    ("buy a ¥1299 watch for Tom", "Tom 1x1"),
    ("buy 3 watches: 2 for Tom, 1 for Bob", ""),
    ("我昨天给小明买了两个手表", ""),
    ("should I buy 2 watches for Tom?", ""),
    ("小明要2个手表，小红也要", "小明 1x2 / 小红 1x2"),
    ("Tom wants 2 watches, Bob too", "Tom 1x2 / Bob 1x2"),
    ("buy 2 watches for Tom|the headphones instead", "Tom 2x2"),
    ("buy 2 watches for Tom|do you have headphones?|ok 3 of them", ""),
    ("buy 2 watches and 3 headphones for Tom|make it 5", ""),
    ("给小明买2个手表和3个耳机|改成5个", ""),
    ("buy 2 watches for Tom and 3 headphones for Bob|not Bob, Carl", "Tom 1x2 / Carl 2x3"),
    ("buy 2 watches for Tom|yes but 3", "Tom 1x3"),
    ("给小明买两个手表|好的，但是要三个", "小明 1x3"),
    ("买两个手表|多少钱|小明", "小明 1x2"),
    ("幫小華買兩個手錶和三個耳機|手錶改成一個", "小華 1x1 2x3"),
    ("给Tom各来两个", ""),
    # what is said of a waiting order and not understood in full is asked about
    ("buy 2 watches and 3 headphones for Tom|swap them", ""),
    ("给小明买2个耳机和3个手表|把耳机和手表的数量换一下", ""),
    ("buy 4 watches for Tom|that's too many, halve it", ""),
    ("buy 2 watches and 1 headphones for Tom|the headphones should be 3 too", ""),
    ("给高远订一个手表和两个耳机|手表也要两个", ""),
    ("buy 4 watches for Tom|only half", ""),
    ("buy 2 watches for Tom|not now", ""),
    ("给小明买2个手表和1个耳机|不要手表了，要笔记本", ""),
    ("buy 2 watches and 3 headphones for Tom|remove the watches and the bananas", ""),
    ("给洪七两个手表|改给黄蓉，三个", "黄蓉 1x3"),
    # a change that names one customer leaves the other's lines as they are, or it asks
    ("给老韩两个耳机，给小韩一个充电宝|小韩的也换成耳机", "老韩 2x2 / 小韩 2x1"),
    (
        "One watch to Mr. Bloom, one laptop to Mrs. Bloom|Mrs. Bloom wants two laptops",
        "Mr. Bloom 1x1 / Mrs. Bloom 4x2",
    ),
    ("One watch to Mr. Bloom, one laptop to Mrs. Bloom|Mrs. Bloom wants two headphones", ""),
    # the same set is all of it, and of how many of each it asks
    ("给阿山买一个耳机和两个手表|<ok>|给阿海也来一套一样的", "阿海 1x2 2x1"),
    ("给阿山买一个耳机和两个手表|<ok>|给阿海也来两个", ""),
    ("给老唐一个手表，给老宋一个耳机|老唐再加一个充电宝", "老唐 1x1 3x1 / 老宋 2x1"),
    ("2 headphones for Ann and 1 watch for Ben|Ann: 3, Ben: 4", "Ann 2x3 / Ben 1x4"),
    # measure words, also unknown ones
    ("给老魏一口手表、两盏耳机", "老魏 1x1 2x2"),
    ("給趙叔兩盞手錶、一個耳機", "趙叔 1x2 2x1"),
    ("給趙叔兩樘手錶", ""),
    ("给宋阿姨来两缸手表三个无线蓝牙耳机Pro", ""),
    ("买两个手表给李華|改成張偉", "張偉 1x2"),
    ("2 laptops for Maria|not 2 but 3", "Maria 4x3"),
    ("给小明买2个耳机|不是2个是3个", "小明 2x3"),
    ("给小明买十来个耳机", ""),
    ("买2个耳机给小红|<ok>|给小明来一份同样的，不过一个就行", "小明 2x1"),
    ("buy 2 headphones for Amy|<ok>|same again for Bob plus a watch", ""),
    ("Ann needs 2 watches and Bob 3", ""),
    ("buy 2 headphones for Tom|2 for Tom and 1 for Bob", "Tom 2x2 / Bob 2x1"),
    ("buy a watch for Tom and Bob|2 for Tom and 1 for Bob", "Tom 1x2 / Bob 1x1"),
    ("buy 3 watches for customers A and B|再给小明来一个同样的", ""),
    ("buy 2 headphones for Amy|2", "Amy 2x2"),
    ("给小明买2个手表，给小红买3个耳机|两个人都改成笔记本", ""),
    ("buy 2 watches for Tom and headphones for Bob|Tom wants a laptop instead|2", "Tom 4x1 / Bob 2x2"),
    ("buy watches for Tom|swap them|2", "Tom 1x2"),
    ("给小明买2个耳机|小红也要，3个", "小明 2x2 / 小红 2x3"),
    ("buy 2 watches for Tom|and 3 for Bob", "Tom 1x2 / Bob 1x3"),
    ("buy 2 watches for Tom|ok but for Ann", "Ann 1x2"),
    ("a thousand for 2 watches for Tom", ""),
    # a question about another product changes nothing; "it" and "each" are of what was listed last
    ("给Dora买2个耳机|等等，先看看移动电源多少钱", ""),
    ("给小明买2个手表|耳机多少钱|也要一个", ""),
    ("buy 2 watches for Tom|how much are the headphones?|one of those as well", ""),
    ("what do you sell?|which of those is waterproof?|ok that one, 2 for Faye", "Faye 2x2"),
    ("do you have headphones?|what about watches?|one of each for Vera", ""),
    ("do you have headphones?|and the watch?|the first, 2 for Tom", ""),
    ("what do you sell?|the first, 2 for Tom", "Tom 1x2"),
    # of an introduction only the name is the name
    ("买2个耳机|我姓周，周杰", "周杰 2x2"),
    ("买2个耳机|公司名字叫大同电子", "大同电子 2x2"),
    ("給我來對耳機|我叫阿May", "阿May 2x1"),
    ("buy 2 headphones|Name's Quinn", "Quinn 2x2"),
    ("buy 2 headphones|the company is called Acme", "Acme 2x2"),
    ("buy 2 headphones|this is Karl speaking", ""),
    ("buy 2 headphones|this is Karl speaking|Karl", "Karl 2x2"),
    ("买2个耳机|记王磊的名下", ""),
    ("买2个耳机|为啥要问这个", ""),
    ("买2个耳机|叫我小王就行", "小王 2x2"),
    ("買兩個耳機|寫張三就好", "張三 2x2"),
    ("买2个耳机|收件人：王芳", "王芳 2x2"),
    ("buy 2 headphones|under Mona please", "Mona 2x2"),
    ("buy a watch for my brother Tom", "Tom 1x1"),
    ("buy 2 headphones|Ludwig van Beethoven", "Ludwig van Beethoven 2x2"),
    ("buy 2 headphones|Marks and Spencer", "Marks and Spencer 2x2"),
    ("buy 2 headphones|customer 7", "customer 7 2x2"),
    ("buy 2 headphones|why do you ask", ""),
    ("how much is the watch|and the laptop?", ""),
]

# What is said, and what stands in the answer; what must not stands behind a minus.
ANSWERS = [
    ("有無藍牙耳機？多少錢？", "899 價格"),
    ("show me ur stuff", "智能手表 耳机 移动电源 MateBook"),
    ("你们这儿都卖些啥呀", "智能手表 耳机 移动电源 MateBook -没有找到"),
    ("whats the cheapest thing you have|and the most expensive?", "MateBook 1599 -299"),
    ("anything under a grand?", "899 299 -1299"),
    ("1k以内", "899 299 -1599"),
    ("1000到1500之间的", "1299 -899"),
    ("不超过500块的东西有哪些", "299 -899"),
    ("about 900 yuan?", "899 -299"),
    ("耳机和手表哪个便宜", "400 -移动电源"),
    ("which is cheaper, the watch or the laptop?", "300 -移动电源"),
    ("how much are the watch and the power bank", "1299 299 -899"),
    ("手表防水吗", "没有提到"),
    ("how long does the battery last on the headphones?", "30小时 -20000"),
    ("do you have anything for travel", "移动电源"),
    ("有没有iPhone卖", "没有找到 iPhone"),
    ("what's the second cheapest thing you sell?", "899 -299"),
    ("第二贵的是哪个", "1299 -1599"),
    ("show me the two cheapest products", "299 899 -1299"),
    ("top 2 customers", "Carol Alice -Bob"),
    ("1 orders", "newest Alice -Carol"),
    ("what did carol buy?", "4095 -Bob"),
    ("what's the average amount Alice spends per order", "1048.50"),
    ("gift for a child under 500", "nothing child 299 -1299"),
    ("is the laptop more expensive than the watch?", "300 -899"),
    ("cancel order 2", "cannot 2 -nothing"),
    ("restock 20 headphones", "owner"),
    ("你觉得哪个好", "没有自己的看法"),
    ("那个能打折吗", "不能打折"),
    ("do you ship to Germany?", "shipping -found"),
    ("are you a robot", "demo"),
    ("怎么退货", "不能退货"),
    ("buy 1 of product 3 for Liz|<ok>|cancel that order", "cannot -nothing"),
    ("buy 1 of product 3 for Liz|<ok>|make it 2", "cannot"),
    ("总共卖了多少", "7491 4"),
    ("總共賣了多少", "7491 金額"),
    ("what was the average order value", "1872.75"),
    ("how much did Alice spend|what about Bob?", "1299 -2097"),
    ("谁买得最少", "Bob 按金额"),
    ("卖得最差的商品", "智能手表 按件数"),
    ("哪天卖得最好", "2026-11-20 5893"),
    ("top 3 customers", "Carol 4095"),
    ("哪些客户买过耳机", "Alice 1798 -Carol"),
    ("orders over 2000", "Carol -Bob"),
    ("订单3的详情", "Carol 4095 -Bob"),
    ("show order 2", "Bob 1299 -Carol"),
    ("最小的一笔订单", "299 Alice -Carol"),
    ("第二大的订单是多少钱", "1798 Alice -4095"),
    ("耳机卖了几个", "2 1798"),
    ("blah blah xyz", "understand demo"),
]

FURTHER = [
    (
        "给周杰买 9 个手表|<ok>|给Bo买一个手表|<ok>|给Alice买两个手表|<ok>|谁花得多，Bo还是Alice",
        "**Alice** Bo -周杰",
    ),
    ("Alice下过几单", "Alice 2097.00"),
    ("耳机防水吗|那手表呢", "智能手表 没有提到 -1299"),
    ("how many headphones are left?|and the watch?", "99 -48"),
    ("耳机卖了几个|手表呢", "1299 -1798"),
    ("in stock and under 500", "299 -899"),
    ("which products have less than 60 in stock?", "48 -196"),
    ("把耳机价格改成 799", "店主"),
    ("什么最划算", "299 -没有找到"),
    ("手表有什么功能", "健康监测"),
    ("does the power bank charge fast?", "快充 -customer"),
    ("耳机有降噪吗|那手表呢", "没有提到"),
    ("can you give me 10% off", "discount"),
    ("明天能送到吗", "配送"),
    ("orders since 2026-11-20", "Alice Carol"),
    ("buy 2 watches for Kim|how much is that?", "2598"),
    ("second best selling product", "MateBook -best"),
    ("哪个库存最少", "目前的库存"),
    ("what can I buy with 1500", "1299 -1599"),
    ("I'm after something cheap", "lowest 299 899 1299 -1599"),
    ("something cheap for Tom", "lowest 299 899 1299 -1599"),
    ("buy #3 for Tom", "移动电源 -#3"),
    ("anything cheaper than the watch?", "899 299 -1599"),
    ("有没有比耳机便宜的", "299 -1599"),
    ("anything cheaper than the power bank?", "Nothing 299"),
    ("buy a watch for Tom and headphones for Bob", "Bob"),
    ("除了耳机还有什么", "智能手表 移动电源 -没有找到"),
    ("第3单是谁买的", "Carol 4095 -Bob"),
    ("revenue by day pls", "2026-11-21 5893 -best"),
    ("最便宜的两样是什么|第一个要四个，写温岚", "1196 客户叫什么名字 -没有找到"),
    ("buy 2 watches for Tom|do you have headphones?|ok", "2598 Shall"),
    ("buy 3 watches for Tom and Bob", "each Tom Bob"),
    ("buy 2 watches at 1000 each for Tom", "1299 2598 discount"),
    ("下单2个商品2", "耳机 1798 -#2"),
    ("有没有便宜一点的东西", "价格最低 299 899 1299 -1599"),
    ("最便宜的兩個是什麼", "299 899 -1299"),
    ("red headphones?", "red 899"),
    ("红色的手表有吗", "没有标明 红色 1299"),
    ("谁没买过东西", "不知道谁没买过"),
    ("who hasn't ordered anything?", "not -best"),
    ("show me orders 1 and 2", "Alice Bob -Carol"),
    ("订单1和订单3", "Alice Carol -Bob"),
    ("what do the watch and the laptop cost together?", "2898"),
    ("is the watch good for swimming?", "mention -recommend"),
    ("筆電螢幕多大", "14.2 -1299"),
    ("buy a power bank for Al|too expensive, something cheaper", "cheapest 299"),
    ("the cheapest and the most expensive?", "1300 299 1599"),
]


def talk(says: str) -> tuple[FakeShop, str]:
    shop, text, lines = FakeShop(), "", says.split("|")
    for name, items in (("Alice", {2: 2}), ("Bob", {1: 1}), ("Carol", {3: 3, 4: 2}), ("Alice", {3: 1})):
        ordered = [{"productId": product, "quantity": count} for product, count in items.items()]
        shop.create_purchase({"customerName": name, "items": ordered})
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        shop.override = {} if following == "<ok>" else {"create_purchase": failed("unconfirmed")}
        text = text if line == "<ok>" else shop.ask(line)
    return shop, text


def proposed(says: str) -> str:
    shop, _ = talk(says)
    orders = []
    for order in (arguments["input_data"] for tool, arguments in shop.calls if tool == "create_purchase"):
        items = sorted(f"{item['productId']}x{item['quantity']}" for item in order["items"])
        orders.append(" ".join([order["customerName"], *items]))
    return " / ".join(orders)


@pytest.mark.parametrize(("says", "orders"), ORDERS)
def test_it_proposes_what_was_meant(says: str, orders: str) -> None:
    assert proposed(says) == orders


def test_it_proposes_what_was_meant_by_fractions_swaps_and_changes() -> None:
    for says, orders in CHANGES:
        assert proposed(says) == orders, says


def is_said(says: str, words: str) -> None:
    _, text = talk(says)
    for word in words.split():
        assert (word[1:] not in text) if word[0] == "-" else (word in text), (says, text)


@pytest.mark.parametrize(("says", "words"), ANSWERS)
def test_it_answers_what_was_asked(says: str, words: str) -> None:
    is_said(says, words)


def test_it_answers_what_was_asked_after_something_else() -> None:
    for says, words in FURTHER:
        is_said(says, words)


OWNER = [*offered(), offer("product-mcp_cancel_order", ("orderId",), ("orderId",))]


@each("buy 1 of product 3 for Liz|cancel that order / buy 1 of product 3 for Liz|给我退了订单 1")
def test_with_the_owners_tools_an_order_is_cancelled(says: str) -> None:
    shop = FakeShop(tools=OWNER)
    text = [shop.ask(line) for line in says.split("|")][-1]
    assert shop.calls == [("cancel_order", {"orderId": 1})]
    assert "cancelled" in text or "已取消" in text
